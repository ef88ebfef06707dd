"""What is on the air, kept and read: captures, the keys that an ear can learn from them, and the ear itself."""
