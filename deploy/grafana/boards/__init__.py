"""What each dashboard asks and means, and how panels look."""
