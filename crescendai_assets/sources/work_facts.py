"""What a reader of titles has to know of composers, catalogues and works, as tables with their reasons.

Here belong facts that a musician could check in a catalogue, and the slips of MAESTRO's sheet that are known:
whatever is looked up by a name or a number. How a title is taken apart and which fact wins stands in `works`.
All patterns are matched against folded text (`works`): lower-case ASCII, no accents, keys and signs spelled out.
"""

from __future__ import annotations

# ---------------------------------------------------------------- composers

# A surname alone means the composer with these initials; a namesake keeps the initials in the id.
NAMESAKES = {
    "bach": ("js",), "haydn": ("j", "fj"), "mendelssohn": ("f",), "mozart": ("wa",), "scarlatti": ("d",),
    "schumann": ("r",), "strauss": ("j",), "couperin": ("f",),
}  # fmt: skip

# Letters that mean a catalogue only with one composer ("D" is a key elsewhere); the first one decides.
CATALOGUES = {
    "schubert": ("d",), "mozart": ("k", "kv"), "scarlatti": ("k", "kk", "l"), "liszt": ("s", "r"),
    "debussy": ("l",), "franck": ("m",), "ravel": ("m",), "purcell": ("z",), "busoni": ("bv",),
}  # fmt: skip
SAME_LETTER = {"kv": "k", "kk": "k", "opus": "op", "opp": "op"}

# ---------------------------------------------------------------- works with two numbers or names

# One work under two numbers. Schubert's opus numbers by Deutsch; Longo's 33 is Kirkpatrick's 87.
SAME_NUMBER = {
    "schubert": {
        "op15": "d760", "op42": "d845", "op53": "d850", "op78": "d894", "op90": "d899", "op94": "d780",
        "op120": "d664", "op142": "d935", "op143": "d784", "op164": "d537",
    },
    "scarlatti": {"l33": "k87", "l413": "k9", "l465": "k96"},
}  # fmt: skip

# Numbers that hold several pieces: a "No." before the number, or a Roman one after it, names the piece.
SETS = {
    "brahms": "op10 op39 op76 op79 op117 op118 op119",
    "chopin": "op6 op7 op9 op10 op15 op17 op24 op25 op26 op27 op28 op29 op30 op32 op33 op34 op37 op40 op41 "
    "op48 op50 op55 op56 op59 op62 op63 op64",
    "debussy": "l100 l110 l111 l117 l123 l136",
    "liszt": "s139 s141 s144 s145 s162 s244",
    "rachmaninoff": "op3 op10 op16 op23 op32 op33 op39",
    "schubert": "d780 d899 d935",
    "scriabin": "op8 op11 op42 op65",
}

_BEETHOVEN = (
    "op2_no1 op2_no2 op2_no3 op7 op10_no1 op10_no2 op10_no3 op13 op14_no1 op14_no2 op22 op26 op27_no1 "
    "op27_no2 op28 op31_no1 op31_no2 op31_no3 op49_no1 op49_no2 op53 op54 op57 op78 op79 op81a op90 "
    "op101 op106 op109 op110 op111"
)
_SCRIABIN = (6, 19, 23, 30, 53, 62, 64, 66, 68, 70)
# Series that count through a composer's life: "Scherzo No. 3" is Op. 39.
SERIES: tuple[tuple[str, str, dict[int, str]], ...] = (
    ("bach", r"english suite", {n: f"suite_bwv{805 + n}" for n in range(1, 7)}),
    ("bach", r"french suite", {n: f"suite_bwv{811 + n}" for n in range(1, 7)}),
    ("bach", r"partita", {n: f"partita_bwv{824 + n}" for n in range(1, 7)}),
    ("beethoven", r"sonata", {n: f"sonata_{op}" for n, op in enumerate(_BEETHOVEN.split(), 1)}),
    ("brahms", r"sonata", {1: "sonata_op1", 2: "sonata_op2", 3: "sonata_op5"}),
    ("chopin", r"ballade", {1: "ballade_op23", 2: "ballade_op38", 3: "ballade_op47", 4: "ballade_op52"}),
    ("chopin", r"scherzo", {1: "scherzo_op20", 2: "scherzo_op31", 3: "scherzo_op39", 4: "scherzo_op54"}),
    ("chopin", r"sonata", {1: "sonata_op4", 2: "sonata_op35", 3: "sonata_op58"}),
    ("liszt", r"hungarian rhapsody", {n: f"rhapsody_s244_no{n}" for n in range(1, 20)}),
    ("rachmaninoff", r"sonata", {1: "sonata_op28", 2: "sonata_op36"}),
    ("schumann", r"sonata", {1: "sonata_op11", 2: "sonata_op22", 3: "sonata_op14"}),
    ("scriabin", r"sonata", {n: f"sonata_op{op}" for n, op in enumerate(_SCRIABIN, 1)}),
)

# (composers, what the folded title holds, the work). "x:y" also corrects the composer to x.
NAMES: tuple[tuple[str, str, str], ...] = (
    # Attributed to the wrong man in MAESTRO: the number or the name is another's.
    ("chopin", r"\bl\W*123\b.*lavine", "debussy:prelude_l123_no6"),
    ("chopin", r"variations and fugue.*eroica", "beethoven:variations_op35"),
    ("debussy", r"barcarolle\W+op\W*60", "chopin:barcarolle_op60"),
    # The same transcription under its author's name alone and under both. A pianist alone cannot play the
    # songs of Schubert themselves; what stands in recitals are Liszt's.
    ("liszt|verdi-liszt", r"rigoletto", "verdi-liszt:paraphrase_s434"),
    ("liszt|wagner-liszt", r"liebestod", "wagner-liszt:liebestod_s447"),
    ("liszt|gounod-liszt", r"faust.*waltz|valse.*faust", "gounod-liszt:waltz_s407"),
    ("liszt|paganini-liszt", r"campanella", "liszt:etude_s141_no3"),
    ("schubert|schubert-liszt", r"^gretchen am spinnrade", "schubert-liszt:gretchen_s558_no8"),
    ("schubert|schubert-liszt", r"^(der )?erlk(oe|o)nig", "schubert-liszt:erlkonig_s558_no4"),
    ("schubert|schubert-liszt", r"^der mue?ller und der bach", "schubert-liszt:der-muller_s565_no2"),
    # The one piece of this name, or of this genre and key, that the composer wrote.
    ("bach-busoni", r"chaconne", "chaconne_bwv1004"),
    ("bach-petri", r"sheep may safely graze", "sheep-may-safely-graze_bwv208"),
    ("balakirev", r"islame[iy]", "islamey_op18"),
    ("beethoven", r"\bop\W*81a?\b|les adi?eu?x", "sonata_op81a"),  # "Op. 81 No. 26": 26 counts the sonatas
    ("chopin", r"^barcarolle", "barcarolle_op60"),
    ("chopin", r"polonaise op\W*26 in e flat min", "polonaise_op26_no2"),  # No. 1 is in C-sharp minor
    ("chopin", r"polonaise.fanta", "polonaise_op61"),
    ("clementi", r"^(?!.*\bop).*sonata in f sharp min", "sonata_op25_no5"),
    ("franck", r"prel\w*\W+chor\w*\W+(et |and )?fug", "prelude-chorale-fugue_m21"),
    ("haydn", r"^(?!.*\bhob).*sonata in c min", "sonata_hob16-20"),
    ("janacek", r"sonata.*1\W*x\W*1905", "sonata_1-x-1905"),
    ("mendelssohn-rachmaninoff", r"scherzo", "scherzo_midsummer-nights-dream"),
    ("mozart", r"\bkv?\W*533\b", "sonata_k533"),  # K. 494 became its finale
    ("mussorgsky", r"^pictures at an e(xhibition)?( \(complete\))?$", "pictures-at-an-exhibition"),
    ("rachmaninoff", r"polka de w\W*r\b", "polka-de-wr"),
    ("rachmaninoff", r"^moments musicaux$", "moments-musicaux_op16"),
    ("rachmaninoff", r"^eleg(y|ie)\b.*\bop\W*3\b", "elegy_op3_no1"),
    ("schubert", r"wanderer.*fanta|fanta.*wanderer", "fantasy_d760"),
    ("schumann", r"\babegg\b", "variations_op1"),
    ("schumann", r"kreisleriana", "kreisleriana_op16"),
    ("schumann", r"symphonic etudes", "symphonic-etudes_op13"),
    ("schumann", r"sonata (in )?f sharp min", "sonata_op11"),
    ("tchaikovsky", r"^dumka", "dumka_op59"),
    ("tchaikovsky-pletnev", r"^(concert suite from.*nutcracker|nutcracker suite)", "suite_nutcracker"),
    ("tchaikovsky-rachmaninoff", r"^lullaby", "lullaby_op16_no1"),
    # Brahms: Opus 116 has seven pieces; "No. 7 (Complete)" is their number, and it lasts 21 minutes.
    ("brahms", r"fantas.*op\W*116 no\W*7 \(complete", "fantasies_op116"),
    ("brahms", r"paganini", "variations_op35"),
    # Liszt. The Mephisto Waltz without a number is the first: it was printed so, 20 years before the others.
    # S. 159 is the first version of Venezia e Napoli and stays apart.
    ("liszt", r"transcend[ae]nt", "etude_s139"),
    ("liszt", r"etudes de paganini|paganini etude", "etude_s141"),
    ("liszt", r"leggi?erezza", "etude_s144_no2"),
    ("liszt", r"un sospiro", "etude_s144_no3"),
    ("liszt", r"waldesrauschen", "etude_s145_no1"),
    ("liszt", r"gnomenreigen", "etude_s145_no2"),
    ("liszt", r"dante\b(?! symph)", "fantasy_s161_no7"),
    ("liszt", r"^(?!.*\b159)tarantell.*(venezia|pelerinage)", "tarantella_s162_no3"),
    ("liszt", r"^venezia e napoli", "venezia-e-napoli_s162"),
    ("liszt", r"mephisto.waltz(?!.*no\W*[2-4])", "waltz_s514"),
    ("liszt", r"(rhapsod\w* esp|spanish rhapsod)", "rhapsody_s254"),
    ("liszt", r"^rem\w*\W+(of|de) don juan", "reminiscences-don-juan_s418"),
    ("liszt", r"sonata in b min", "sonata_s178"),
    # Debussy, by Lesure's first numbering, which MAESTRO uses. Prelude No. 24 counts through both books.
    ("debussy", r"l isle joyeuse", "isle-joyeuse_l106"),
    ("debussy", r"voiles", "prelude_l117_no2"),
    ("debussy", r"collines d anacapri", "prelude_l117_no5"),
    ("debussy", r"des pas sur la neige", "prelude_l117_no6"),
    ("debussy", r"puerta del vino", "prelude_l123_no3"),
    ("debussy", r"fees sont d exquises", "prelude_l123_no4"),
    ("debussy", r"bruyeres", "prelude_l123_no5"),
    ("debussy", r"terr?asse des audiences", "prelude_l123_no7"),
    ("debussy", r"^ondine", "prelude_l123_no8"),
    ("debussy", r"feux d artifice|fireworks", "prelude_l123_no12"),
    ("debussy", r"^preludes?.*book (1|i)\b", "prelude_l117"),
    ("debussy", r"^preludes?.*book (2|ii)\b", "prelude_l123"),
    ("debussy", r"^images?\b.*(book|series) (1|i)\b.*reflets", "images_l110_no1"),
    ("debussy", r"^images?\b.*(book|series) (2|ii)\b.*poissons", "images_l111_no3"),
    ("debussy", r"^images?\b.*(book|series) (1|i)\b", "images_l110"),
    ("debussy", r"^images?\b.*(book|series) (2|ii)\b", "images_l111"),
    ("debussy", r"^pour le piano", "pour-le-piano_l95"),
    ("debussy", r"^suite bergamasque", "suite-bergamasque_l75"),
    ("debussy", r"pagod\w* .*estampes", "estampes_l100_no1"),
    ("debussy", r"jardins sous la pluie", "estampes_l100_no3"),
    ("debussy", r"estampes", "estampes_l100"),
    ("debussy", r"^etude no\b", "etude_l136"),
    ("debussy", r"huits? doigts", "etude_l136_no6"),
    ("debussy", r"arpeges composes", "etude_l136_no11"),
    ("debussy", r"pour les accords", "etude_l136_no12"),
)

# ---------------------------------------------------------------- genres

# Spellings of a genre; the first that fits names it, so the larger form stands before its parts.
GENRES = {
    "moment-musical": r"moments? music\w+",
    "prelude-and-fugue": r"pra?e?l\w*\W+(?:and|et|und) fug\w*",
    "suite": r"suites?",
    "partita": r"partitas?",
    "sonatina": r"sonatin[ae]s?",
    "sonata": r"sonat(?:a|e|as|en)|son\.",
    "concerto": r"concert(?:o|os|i)",
    "variations": r"var(?:iai?tion\w*|iaion\w*|\.)",
    "polonaise": r"polonaises?",
    "ballade": r"ballad(?:e|es|en)",
    "scherzo": r"scherz(?:o|os|i)",
    "etude": r"etud(?:e|es|en)(?:[ -]tableaux?)?|stud(?:y|ies)",
    "lyric-piece": r"lyric pieces?",
    "fairy-tale": r"fairy tales?",
    "impromptu": r"impromptus?",
    "nocturne": r"nocturnes?",
    "mazurka": r"mazurkas?",
    "waltz": r"walt?z(?:es|er)?|valses?",
    "rhapsody": r"rh?apsod(?:y|ies|ie|ien)",
    "fantasy": r"(?:f|ph)antas(?:y|ie|ia|ies|ien|ias)",
    "toccata": r"toccatas?",
    "prelude": r"pra?e?l(?:udes?|udium|udien|\.)",
    "chaconne": r"cha[ck]onn?es?",
    "tarantella": r"tarantell[ae]s?",
    "rondo": r"rondos?",
    "intermezzo": r"intermezz(?:o|os|i)",
    "bagatelle": r"bagn?a?t(?:elle|ellen|elles)",
    "humoresque": r"humoresques?",
    "romance": r"romances?",
    "elegy": r"eleg(?:y|ie|ies)",
    "barcarolle": r"barcarolles?",
    "berceuse": r"berceuses?",
}

PLURALS = {
    "moment-musical": "moments-musicaux",
    "waltz": "waltzes",
    "prelude-and-fugue": "preludes-and-fugues",
}

# ---------------------------------------------------------------- keys

MAJOR = ("c", "d-flat", "d", "e-flat", "e", "f", "f-sharp", "g", "a-flat", "a", "b-flat", "b")
MINOR = ("c", "c-sharp", "d", "e-flat", "e", "f", "f-sharp", "g", "g-sharp", "a", "b-flat", "b")
PITCH = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11, "h": 11}

# Schubert's sonatas by Deutsch number. MAESTRO's sheet was filled downwards in places, so that the tracks of
# one sonata count its number up: "Sonata in A Minor, D. 845", 846, 847, 848. The key proves it: D. 960 is in
# B-flat, not in A, and D. 961 is a Benedictus. Track k of sonata D is then written D + k - 1. Track 1 bears
# the true number and cannot be told from the whole; a third track at times holds the last movement too.
SCHUBERT_SONATAS = {
    537: "a-minor", 568: "e-flat-major", 575: "b-major", 664: "a-major", 784: "a-minor", 840: "c-major",
    845: "a-minor", 850: "d-major", 894: "g-major", 958: "c-minor", 959: "a-major", 960: "b-flat-major",
}  # fmt: skip
MOST_TRACKS = 5

# ---------------------------------------------------------------- numbers and signs

ORDINALS = {
    "1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "6th": 6,
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6,
}  # fmt: skip
ROMAN = {
    "i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "x": 10, "xi": 11,
    "xii": 12, "xiii": 13, "xiv": 14, "xv": 15, "xvi": 16, "xvii": 17,
}  # fmt: skip
SIGNS = (("♯", "#"), ("♭", " flat "), ("°", "o"))
