"""What is promised: abstract classes whose docstrings are the conditions every implementation meets."""
