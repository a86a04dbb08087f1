"""What the method is held against: Shapley values, other maps and embeddings, attacks, masks, plain cues."""
