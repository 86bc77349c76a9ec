"""Charts as the public writes them, the images that they run, and the helm that installs them."""
