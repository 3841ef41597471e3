"""Two threads that print a global variable: what the sheet's ClientThread.run does with its address."""
import threading
import time


def run():
    time.sleep(0.5)  # by now the main program has accepted the next client
    print(f"this thread prints: {address}\n", end="", flush=True)


for address in ("first", "second"):
    threading.Thread(target=run).start()
