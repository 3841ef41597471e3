"""Reads a stored mail as Python's parser does, and compares its picture with a file.

read_mail.py MESSAGE [PICTURE]
"""

import email
import email.policy
import sys

with open(sys.argv[1], "rb") as file:
    message = email.message_from_binary_file(file, policy=email.policy.default)
defects = []
print("Subject:", message["Subject"])
for part in message.walk():
    defects += part.defects
    for value in part.values():
        defects += value.defects
    if part.is_multipart():
        continue
    content, kind = part.get_content(), part.get_content_type()
    if part.get_content_maintype() == "text":
        print(f"{kind}: {len(content)} characters")
        continue
    with open(sys.argv[2], "rb") as file:
        same = "the same as the file's" if content == file.read() else "NOT those of the file"
    print(f"{kind}: {part.get_filename()}, {len(content)} bytes, {same}")
print("defects:", ", ".join(map(str, defects)) or "none")
