"""The survey of deaths: how Argo surfaces them, measured on clusters made for it.

    cells ─► trials in a random order ─► one workflow each, struck, watched ─► view, times
                                                                   └─► file after each trial

`sightings` judges what was seen and touches nothing; `strikes`, `trial`, `pool` and
`machines` do; `life` is the order of everything.
"""
