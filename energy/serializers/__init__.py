"""What the API and files say of energy."""
