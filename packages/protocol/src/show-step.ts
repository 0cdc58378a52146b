/** Steps in words: for violations and for the traces of the formal model. */
import { showVersion, type Lsn, type StreamId } from "@sixfold/model";
import type { Step } from "./condition.ts";

const entry = (stream: StreamId, at: Lsn): string => showVersion({ stream, lsn: at });

export function showStep(step: Step): string {
  switch (step.kind) {
    case "stored":
      return `PG ${step.pg} stores stream ${step.stream} to ${step.scl}`;
    case "voted":
      return `PG ${step.pg} votes ${step.vote} on ${entry(step.stream, step.lsn)}`;
    case "learned": {
      const { from, through, aborts, earlyAborts } = step.decisions;
      const aborted = [...aborts, ...earlyAborts].join(" ");
      return `PG ${step.pg} learns from ${step.source} of stream ${step.stream}: (${from}, ${through}]${aborted === "" ? "" : ` aborted ${aborted}`}`;
    }
    case "copied":
      return `PG ${step.pg} copied stream ${step.stream} to ${step.through}`;
    case "fenced":
      return `PG ${step.pg} fences stream ${step.stream}`;
    case "chained":
      return `PG ${step.pg} page ${step.page}: ${showVersion(step.version)} on ${showVersion(step.base)}`;
    case "answered":
      return `PG ${step.pg} page ${step.page}: read at ${step.readPoint.toString()} answered ${showVersion(step.version)}`;
    case "opened":
      return `opens stream ${step.stream}${step.exclusive ? ", exclusive" : ""}`;
    case "sent": {
      const uses = step.slices.map((s) => {
        const deltas = s.deltas.map((d) => `${d.page} on ${showVersion(d.base)}`);
        const checks = s.checks.map((c) => `${c.page} checked at ${showVersion(c.base)}`);
        return `PG ${s.pg}: ${[...deltas, ...checks].join(", ")}${s.owned ? ", owned" : ""}`;
      });
      const first = step.slices[0];
      const bases =
        first === undefined || first.ownBases.length === 0 ? "" : `, own bases ${first.ownBases.join(" ")}`;
      const older = first === undefined || first.supersedes === 0 ? "" : `, supersedes ${first.supersedes}`;
      return `sends ${entry(step.stream, step.lsn)} (${uses.join("; ")}${bases}${older})`;
    }
    case "decided":
      return `decides ${step.decision} of ${entry(step.stream, step.lsn)} by ${step.by}`;
    case "told":
      return `tells ${step.decision} of ${entry(step.stream, step.lsn)}`;
    case "gave":
      return `gives page ${step.page} at ${entry(step.stream, step.lsn)} to stream ${step.to}`;
    case "durable":
      return `durable point of stream ${step.stream} is ${step.through}`;
    case "manifest":
      return `manifest revision ${step.manifest.revision}`;
    case "ruled":
      return `the manifest says ${step.decision} of ${entry(step.stream, step.lsn)}`;
    case "closed":
      return `the manifest closes stream ${step.stream} at ${step.final}`;
    case "left":
      return `the outcome of ${entry(step.stream, step.lsn)} leaves the manifest`;
    case "shown":
      return `shows stream ${step.stream} to ${step.through}, in all ${step.vector.toString()}${step.readable ? "" : ", not readable"}`;
    case "outcome":
      return `calls transaction ${step.transaction} ${step.outcome}`;
    case "died":
      return "died";
    case "wiped":
      return "lost its disk";
  }
}
