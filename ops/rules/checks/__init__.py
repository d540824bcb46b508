"""What makes no sense in a rule file, found before it is published."""
