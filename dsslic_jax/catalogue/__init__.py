"""The models known here: listed, checked, described, and exchanged with the Hugging Face Hub."""
