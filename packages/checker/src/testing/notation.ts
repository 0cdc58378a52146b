/**
 * Histories written by hand, one transaction a line:
 *
 *     T1 @A 10-20 cluster  x+1  x[1 2]  y:=3  y==3  z==-
 *
 * `@A` its session (by default one of its own), `10-20` its moments (by default all are concurrent), `10-?` never
 * answered, words for outcome and options; then operations: append 1 to x, list x, write 3 to y, read 3 in y, read nothing in z.
 */
import type { Consistency, HistoryOperation, HistoryTransaction, Isolation, Outcome } from "../history.ts";

export interface Options {
  readonly isolation: Isolation;
  readonly consistency: Consistency;
}

export function options(name: string): Options {
  return {
    isolation: name.includes("serializable") ? "serializable" : "snapshot",
    consistency: name.includes("cluster") ? "cluster" : "session",
  };
}

/** `promise`: the options of transactions that do not name their own. */
export function parseHistory(text: string, promise: string): HistoryTransaction[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const sessions = new Map<string, number>();
  return lines.map((line) => parseTransaction(line, options(promise), sessions));
}

function parseTransaction(
  line: string,
  defaults: Options,
  sessions: Map<string, number>,
): HistoryTransaction {
  const operations: HistoryOperation[] = [];
  let { isolation, consistency } = defaults;
  let outcome: Outcome = "committed";
  let [invokedAt, returnedAt] = [0, 1_000_000];
  const [label = "", ...words] = line.match(/[^\s[]+\[[^\]]*\]|\S+/g) ?? [];
  const id = Number(label.slice(1));
  let session = 1_000 + id;
  for (const word of words) {
    const time = /^(\d+)-(\d+|\?)$/.exec(word);
    if (time !== null) {
      invokedAt = Number(time[1]);
      returnedAt = time[2] === "?" ? Infinity : Number(time[2]);
    } else if (word.startsWith("@")) {
      session = sessions.get(word) ?? sessions.size;
      sessions.set(word, session);
    } else if (word === "committed" || word === "aborted" || word === "unknown") outcome = word;
    else if (word === "snapshot" || word === "serializable") isolation = word;
    else if (word === "session" || word === "cluster") consistency = word;
    else operations.push(parseOperation(word));
  }
  return { id, session, invokedAt, returnedAt, outcome, isolation, consistency, operations };
}

function parseOperation(word: string): HistoryOperation {
  const parts = /^(\w+)(\+|:=|==|\[)([^\]]*)\]?$/.exec(word);
  if (parts === null) throw new Error(`not an operation: ${word}`);
  const [, key = "", sign, rest = ""] = parts;
  switch (sign) {
    case "+":
      return { kind: "append", key, value: Number(rest) };
    case ":=":
      return { kind: "write", key, value: Number(rest) };
    case "==":
      return { kind: "read", key, value: rest === "-" ? undefined : Number(rest) };
    default:
      return { kind: "list", key, values: rest.split(/\s+/).filter(Boolean).map(Number) };
  }
}

/** The reverse, for messages of failed tests. */
export function showHistory(history: readonly HistoryTransaction[]): string {
  const lines = history.map((t) => {
    const time = `${t.invokedAt}-${t.returnedAt === Infinity ? "?" : t.returnedAt}`;
    const operations = t.operations.map(showOperation).join("  ");
    return `T${t.id} @S${t.session} ${time} ${t.outcome} ${t.isolation} ${t.consistency}  ${operations}`;
  });
  return lines.join("\n");
}

function showOperation(operation: HistoryOperation): string {
  const { key } = operation;
  switch (operation.kind) {
    case "append":
      return `${key}+${operation.value}`;
    case "write":
      return `${key}:=${operation.value}`;
    case "list":
      return `${key}[${operation.values.join(" ")}]`;
    case "read":
      return `${key}==${operation.value ?? "-"}`;
  }
}
