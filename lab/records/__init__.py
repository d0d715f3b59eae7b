"""Records of trainings: made, checked, stored, found again."""
