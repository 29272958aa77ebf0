"""Kills processes of a running engine at random: every final must be that of an undisturbed run."""
