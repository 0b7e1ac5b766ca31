"""What a person can ask for. Only the modules here decide, write rows and commit."""
