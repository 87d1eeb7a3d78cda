"""Pictures of users, hostile ones too."""
