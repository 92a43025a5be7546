"""
Which records are one firm: normal forms, keys to find candidates by, scores with reasons, and verdicts.

Pure and fast: nothing here reads or writes anything. A record is normalised once, when it is written
(`records.normalise`), and found through its keys (`keys.keys_of`); `verdicts.judge` says what to do with it.
"""
