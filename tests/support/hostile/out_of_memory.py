"""Asks for more memory than it may have."""

import resource

print("Step 1")
resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
bytearray(1 << 30)
print("val_loss: 4.1")
