; An SQL file names no other file.
