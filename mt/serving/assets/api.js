// Requests to the server.

const SILENCE_MS = 20000; // after which a server counts as gone

export class ServerError extends Error {}

async function answerOf(response) {
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ServerError(answer.error ?? `The server answers with status ${response.status}.`);
  return answer;
}

export async function get(path) {
  return answerOf(await fetch(path));
}

// Translate a text: call `onPart` for each part that arrives, and return the whole answer. Rejects
// with a ServerError that says what is wrong, or with an AbortError if `signal` is aborted.
export async function translate(fields, onPart, signal) {
  const control = new AbortController();
  const stop = () => control.abort();
  signal.addEventListener("abort", stop);
  let timer;
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(stop, SILENCE_MS);
  };
  try {
    listen();
    const response = await fetch("/translate", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...fields, stream: true }),
      signal: control.signal,
    });
    if (!response.ok) await answerOf(response);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let buffer = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) throw new ServerError("The server has broken off its answer.");
      listen();
      const events = (buffer + value).split("\n\n");
      buffer = events.pop();
      for (const event of events) {
        const [name, data] = event.split("\ndata: ");
        const content = JSON.parse(data);
        if (name === "event: part") onPart(content);
        if (name === "event: error") throw new ServerError(content.error);
        if (name === "event: done") return content;
      }
    }
  } catch (error) {
    if (signal.aborted || error instanceof ServerError) throw error;
    throw new ServerError(
      error.name === "AbortError" ? "The server does not answer." : "The server cannot be reached.",
    );
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
