"""What a reader takes away: tables and figures made of the published marts."""
