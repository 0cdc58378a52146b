/** Log lines of a server process: JSON on stderr, written by pino. */
import { pino } from "pino";
import { Journal } from "@sixfold/cluster";

export function makeJournal(name: string): Journal {
  const level = process.env["SIXFOLD_LOG"] ?? "info";
  const log = pino({ level, base: { name }, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
  return new Journal((severity, event, fields) => log[severity]({ event, ...fields }));
}
