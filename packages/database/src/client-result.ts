/** The engine's answer as the client gets it. */
import type { EngineResult } from "@sixfold/engine";
import { isNone, type SixfoldError } from "@sixfold/model";
import type { ClientRequestBody, ClientResult } from "@sixfold/wire";

/** `explain` adds what only the node knows to an error. */
export function clientResult(
  op: ClientRequestBody["op"],
  result: EngineResult,
  explain: (error: SixfoldError) => SixfoldError,
): ClientResult {
  switch (result.kind) {
    case "values":
      return { op: "get", values: result.values };
    case "rows":
      return {
        op: "scan",
        rows: result.rows.map(({ key, value }) => [key, value] as const),
        more: result.more,
      };
    case "committed":
      if (op === "createTable" || op === "dropTable") return { op, changed: !isNone(result.version) };
      return { op: "commit", attempts: result.attempts };
    case "called":
      return { op: "call", value: result.value as Uint8Array, attempts: result.attempts };
    case "rolled-back":
      return { op: "rollback" };
    case "tables":
      return { op: "listTables", tables: result.names };
    case "failed": {
      const { code, message, retryable, outcome, details } = explain(result.error);
      return { op: "error", error: { code, message, retryable, outcome, details } };
    }
  }
}
