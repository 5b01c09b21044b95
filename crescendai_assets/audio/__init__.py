"""Audio: decode, measure, cut into segments, augment, keep broken decoders at arm's length.

All audio is mono float32 at 24 kHz, the rate MuQ was trained on. Nothing here knows of tiers, tables or models.
"""

from crescendai_assets.audio.augmentation import Drawn, augment_audio, augment_segment, create_augmentation_chain
from crescendai_assets.audio.augmentor import AudioAugmentor
from crescendai_assets.audio.decode import SAMPLE_RATE, Decoded, decode, load_audio, save_audio
from crescendai_assets.audio.difference import Difference, compare
from crescendai_assets.audio.segments import SegmentRule, segment_audio

__all__ = [
    "SAMPLE_RATE",
    "AudioAugmentor",
    "Decoded",
    "Difference",
    "Drawn",
    "SegmentRule",
    "augment_audio",
    "augment_segment",
    "compare",
    "create_augmentation_chain",
    "decode",
    "load_audio",
    "save_audio",
    "segment_audio",
]
