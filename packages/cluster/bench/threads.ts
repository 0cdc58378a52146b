/** Processor time of a process by kind of thread, as Linux tells it. Nothing is known of them elsewhere. */
import * as fs from "node:fs";

/** In ms, by thread. */
export type Threads = ReadonlyMap<string, { readonly kind: string; readonly ms: number }>;

/** V8's own are made right after the first; later come libuv's, and one that tsx compiles on. A courier's has a low priority. */
const V8_THREADS = 6;

export function threadsOf(pid: number): Threads {
  const of = new Map<string, { readonly kind: string; readonly ms: number }>();
  const tasks = `/proc/${pid}/task`;
  const ids = fs.existsSync(tasks) ? fs.readdirSync(tasks) : [];
  ids.sort((a, b) => Number(a) - Number(b));
  for (const [nth, id] of ids.entries()) {
    const stat = `${tasks}/${id}/stat`;
    if (!fs.existsSync(stat)) continue;
    const nice = Number(fs.readFileSync(stat, "utf8").split(") ")[1]!.split(" ")[16]);
    const [ns] = fs.readFileSync(`${tasks}/${id}/schedstat`, "utf8").split(" ");
    const own = nth === 0 ? "main" : nth <= V8_THREADS ? "v8" : "others";
    of.set(id, { kind: nice > 0 ? "courier" : own, ms: Number(ns) / 1e6 });
  }
  return of;
}

/** What each kind took since `before`. Of a thread that has ended meanwhile nothing is known. */
export function spentSince(before: Threads, pid: number): Record<string, number> {
  const of: Record<string, number> = {};
  for (const [id, { kind, ms }] of threadsOf(pid))
    of[kind] = (of[kind] ?? 0) + Math.round(ms - (before.get(id)?.ms ?? 0));
  return of;
}
