"""Write clean text and images to a terminal. Independent of Textual."""
