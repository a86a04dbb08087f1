"""What each chapter records of a study, as JSON."""
