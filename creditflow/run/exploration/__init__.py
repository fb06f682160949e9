"""Random histories: the suite makes up what people do, in the features' own sentences, and judges what comes of it."""
