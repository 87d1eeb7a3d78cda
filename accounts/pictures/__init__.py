"""Pictures of users: checked, made smaller, stored and discarded."""
