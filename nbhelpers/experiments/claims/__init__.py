"""The paper's claims: each as it was made, what is measured of it, and what the recorded files say."""
