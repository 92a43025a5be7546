"""
What each piece of evidence weighs: the one table of the scored comparison.

Weights are bits, as in the usual theory of record linkage (Fellegi and Sunter 1969): log2(m / u), where m is how often
two records of one firm show this, u how often two records of different firms do. Ten bits: a thousand times as likely.
They are estimates from what such fields are, not fitted to any register, and the sums stand beside them. The score is

    50 + 5 × (sum of bits − 20), held between 0 and 100

where 20 bits are the odds against two records picked at random among a million being one firm (log2 1,000,000 = 20).
So 50 says "as likely as not", each 10 points more are 4 times the odds, and 80 stands for 64 to 1.
"""

from __future__ import annotations

PRIOR = -20.0
POINTS_PER_BIT = 5.0
EVEN = 50.0

LINK = 90.0
"""From here a single candidate with nothing against it is linked: 256 to 1, so four links in a thousand are wrong."""
ALERT = 45.0
"""From here a person looks: 1 to 2, or better."""
CLUSTER = 50.0
"""From here two records of one file belong together: more likely than not."""
LEAD = 10.0
"""Points a link must be ahead of the next candidate: 4 times as likely. Two at 100 are never told apart."""

# --- numbers that point at one firm ------------------------------------------------------------------------------
SAME_CVR = 22.0  # m 0.95 (typing is caught by the check digit), u 1/5,000,000 numbers in use
OTHER_CVR = -16.0  # m 1/60,000: one firm with two valid numbers is a change of owner or of legal form
SAME_P_NUMBER = 22.0
OTHER_P_NUMBER = -10.0  # m 1/1,000: a sister unit
SAME_EAN = 18.0  # some bodies share one
OTHER_EAN = -8.0  # m 1/250: a sister unit

# --- ways to reach it --------------------------------------------------------------------------------------------
SAME_PHONE = 18.0  # m 0.6, u 1/400,000: a million firms on some ten million numbers, in blocks
PHONE_WITHOUT_PREFIX = 16.0  # the same last seven digits, one without area or country code
NEAR_PHONE = 4.0  # one digit or two neighbours: m 0.03 (typing, extensions), u 1/500 within a block
OTHER_PHONE = -1.0  # m 0.45: firms have several
SAME_MAIL = 17.0  # m 0.4, u 1/300,000
SAME_DOMAIN = 15.0  # m 0.5, u 1/60,000: groups of firms share one
OTHER_DOMAIN = -1.5  # m 0.35

# --- where it is -------------------------------------------------------------------------------------------------
SAME_HOUSE = 16.0  # m 0.8, u 1/80,000: some ten firms to a house, of a million
SAME_HOUSE_NO_ZIP = 14.0  # "Hovedgaden 12" without zip: some of the same streets in other towns
SAME_HOUSE_OTHER_ZIP = 5.0  # a mistyped zip, or the same street of another town
NEAR_HOUSE = 8.0  # same street and zip, number within a range, or one digit apart
SAME_ZIP_ONLY = 8.0  # one side has no street: m 0.9, u 1/300
SAME_CITY_ONLY = 5.0  # no zip to compare: m 0.9, u 1/30
OTHER_PLACE = -4.0  # m 0.06: moved, and not everybody was told
MOST_ELSEWHERE = 23.5
"""
What name, phone and mail can say together of firms known to stand at different places: with the -4 a little less than
even (47.5). They are no independent witnesses there. Whoever is compared shares a name or a phone, and what shares both
and stands elsewhere is as often a branch as a move: a person decides, or a CVR number.
"""

SECOND_CONTACT = 0.5
"""
Of phone, mail and place, the strongest counts in full, the next by half, the third by a quarter: they belong together,
and whoever shares one by accident (a sister firm, an office hotel) shares the next as well.
"""

# --- what it is called -------------------------------------------------------------------------------------------
OWN_WORD = 9.0  # u 1/500: a word that is neither of a trade nor a common name
NUMBER_WORD = 5.0
COMMON_NAME = 5.0  # u 1/30: Jensen, Peter
GENERIC_WORD = 2.0  # u 1/4 among firms of its trade, which blocking brings together
INITIALS = 3.0
MOST_FOR_NAME = 18.0  # two own words; names are given twice, so more words add nothing
WHOLE_NAME = 4.0  # word for word: nothing is left over on either side
NEARLY_WHOLE_NAME = 2.0  # the same, with slips of the fingers or shortened words
UNLIKE_NAME = -5.0  # m 1/30: no word in common (short names, trade names, the owner instead of the firm)
LEFT_ON_BOTH = -1.0  # times the bits of the words only one has, on the side with fewer: Nordvind Alfa, Nordvind Beta
LEFT_AT_ONE_PLACE = -0.2  # the same, in one house: names of a site and of its owner, or of then and now
LEFT_ON_ONE = -0.1  # times the bits left over on the other side only, and not in one house: registers shorten names
OTHER_NUMBER = -6.0  # Butik 1, Butik 2
SISTER_FIRM = -10.0  # Nordic Windows, Nordic Windows Holding
OTHER_DEPARTMENT = -6.0
OTHER_LEGAL_FORM = -2.0  # m 1/10 (converted, mistyped), u 1/2: both have one, A/S and ApS

CROWD = 5
"""A number, phone or domain held at more places than this is no evidence by itself (a municipality, a switchboard)."""
