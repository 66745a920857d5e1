"""Each API's own words: types and framing, no decisions."""
