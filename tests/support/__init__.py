"""What tests share: real services, databases, processes, the stand-in e-conomic, a network that can fail."""
