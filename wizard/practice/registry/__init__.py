"""A registry server that stands in for the real one where its binary is not there.

It takes the same settings, keeps the same layout in S3 and says the same things when it will not start.
"""
