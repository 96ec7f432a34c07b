"""A LitServe server with OpenAI's API that says the same few words."""
import sys

import litserve


class Echo(litserve.LitAPI):
    def setup(self, device):
        pass

    def predict(self, prompt):
        for word in "the people of the world and all".split():
            yield f"{word} "


if __name__ == "__main__":
    litserve.LitServer(Echo(), spec=litserve.OpenAISpec()).run(port=int(sys.argv[1]), generate_client_file=False)
