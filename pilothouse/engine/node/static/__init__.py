"""Static pods: what a file of the node asks for runs without anybody's word from the API, which shows it as a mirror pod."""
