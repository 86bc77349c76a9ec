"""What everything speaks: objects, names, quantities, selectors, patches, schemas, errors.

Pure: no I/O, no asyncio. Objects are plain dicts as the API carries them and are never changed once shared;
whoever wants another object makes a new one.
"""
