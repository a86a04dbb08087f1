"""The paper's method: from what a network computed to arrows, importance and knowledge points."""
