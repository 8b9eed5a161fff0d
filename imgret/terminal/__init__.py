"""What a terminal may be sent: clean text and pictures. Nothing of Textual."""
