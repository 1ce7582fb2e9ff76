"""Where everything is assembled: settings build the parts, the parts fill a run folder and give a result."""
