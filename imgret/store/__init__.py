"""What is known of the photos, behind one interface."""
