/** `GET /health` and `GET /status` on a process's own port: for container health checks and for people. */
import type { HttpAnswer } from "@sixfold/ports";

export function answerHttp(path: string, status: () => Record<string, unknown>): HttpAnswer | undefined {
  const json = (code: number, body: unknown): HttpAnswer => ({
    status: code,
    type: "application/json",
    body: `${JSON.stringify(body)}\n`,
  });
  if (path === "/status") return json(200, status());
  if (path !== "/health") return undefined;
  const { ready } = status();
  return json(ready === true ? 200 : 503, { ready: ready === true });
}
