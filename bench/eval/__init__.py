"""What a user gets: accuracy, stream quality, endings and noise, beside two things to install."""
