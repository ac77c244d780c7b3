"""What the commands share: their options, how one runs, threads, and what they say on the terminal."""
