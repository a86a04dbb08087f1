"""What the method is held against: Shapley values, attacks, other embeddings, masks, cues that need no network."""
