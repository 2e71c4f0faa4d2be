"""Pictures, folders and archives of pictures. Pillow and numpy."""
