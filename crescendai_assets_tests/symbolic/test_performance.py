from __future__ import annotations

import numpy as np

from crescendai_assets.symbolic.performance import pedal_at, pedal_spans, performance


def test_a_pedal_keeps_its_value_until_the_next_change_and_the_last_of_one_time_counts():
    changes = np.array([[1.0, 40], [1.0, 90], [2.0, 0]])
    assert pedal_at(changes, np.array([0.0, 0.999, 1.0, 1.999, 2.0, 9.0])).tolist() == [0, 0, 90, 90, 0, 0]
    assert pedal_at(np.zeros((0, 2)), np.array([0.0, 1.0])).tolist() == [0, 0]


def test_a_pedal_is_down_from_64_on_and_let_go_at_the_end():
    changes = np.array([[0, 63], [1, 64], [2, 127], [3, 63], [4, 100], [5, 0], [5, 100]], float)
    assert pedal_spans(changes, 7.0).tolist() == [[1, 3], [4, 7]]
    assert pedal_spans(changes[:0], 7.0).shape == (0, 2)
    assert pedal_spans(np.array([[8.0, 127.0]]), 7.0).shape == (0, 2)


def test_notes_are_put_in_order():
    read = performance([64, 60, 50], [1.0, 1.0, 0.0], [0.1, 0.2, 0.3], [1, 2, 3], track=[0, 1, 0])
    assert read.pitch.tolist() == [50, 60, 64]
    assert read.duration.tolist() == [0.3, 0.2, 0.1]
    assert read.velocity.tolist() == [3, 2, 1]
    assert read.track.tolist() == [0, 1, 0]
    assert read.seconds == 1.2
