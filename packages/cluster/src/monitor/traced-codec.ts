/**
 * Trace events on their way from a process to its supervisor: what the structured clone of Node's IPC channel carries, and nothing else.
 *
 *     sent                slices without their bytes and operations: what the monitor reads of them
 *     shown, answered     read points as data; a clone would lose their class, and a node's vector moves on
 *     all others          as they are: numbers, strings, arrays, maps
 */
import {
  ReadPoint,
  type Lsn,
  type PageUse,
  type SentSliceFacts,
  type StreamId,
  type TraceEvent,
} from "@sixfold/model";

type Of<K extends TraceEvent["kind"]> = Extract<TraceEvent, { kind: K }>;

export interface PlainReadPoint {
  readonly settledThrough: StreamId;
  readonly positions: readonly (readonly [StreamId, Lsn])[];
}

/** A trace event without class instances and without the bytes of slices. */
export type PlainEvent =
  | Exclude<TraceEvent, { kind: "sent" | "shown" | "answered" }>
  | (Omit<Of<"sent">, "slices" | "builtOn"> & {
      readonly slices: readonly SentSliceFacts[];
      readonly builtOn: PlainReadPoint;
    })
  | (Omit<Of<"shown">, "vector"> & { readonly vector: PlainReadPoint })
  | (Omit<Of<"answered">, "readPoint"> & { readonly readPoint: PlainReadPoint });

/** A copy of what may change; of the rest the event's own objects. */
export function plain(event: TraceEvent): PlainEvent {
  switch (event.kind) {
    case "sent":
      return { ...event, slices: event.slices.map(factsOf), builtOn: plainPoint(event.builtOn) };
    case "shown":
      return { ...event, vector: plainPoint(event.vector) };
    case "answered":
      return { ...event, readPoint: plainPoint(event.readPoint) };
    default:
      return event;
  }
}

/** What `plain` was made of, as far as the monitor reads it. */
export function revived(event: PlainEvent): TraceEvent {
  switch (event.kind) {
    case "sent":
      return { ...event, builtOn: revivedPoint(event.builtOn) };
    case "shown":
      return { ...event, vector: revivedPoint(event.vector) };
    case "answered":
      return { ...event, readPoint: revivedPoint(event.readPoint) };
    default:
      return event;
  }
}

function factsOf(slice: SentSliceFacts): SentSliceFacts {
  const { pg, epoch, owned, supersedes, ownBases, transaction, deltas, checks } = slice;
  return {
    pg,
    epoch,
    owned,
    supersedes,
    ownBases,
    transaction,
    deltas: deltas.map(use),
    checks: checks.map(use),
  };
}

const use = ({ page, base }: PageUse): PageUse => ({ page, base });

const plainPoint = (point: ReadPoint): PlainReadPoint => ({
  settledThrough: point.settledThrough,
  positions: point.entries(),
});

const revivedPoint = (point: PlainReadPoint): ReadPoint =>
  new ReadPoint(point.settledThrough, point.positions);
