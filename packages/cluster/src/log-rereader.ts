/** A little of the log's older files is read again now and then: all of it once in the time that the stored pages take to be scrubbed. */
import { LogScrub, type Disk, type LogBlock, type LogWriter } from "@sixfold/ports";
import { logBlockCodec } from "@sixfold/wire";
import type { Journal } from "./journal.ts";

/** Read at once. */
const STEP_BYTES = 64 << 10;

export class LogRereader {
  private readonly scrub: LogScrub<LogBlock>;
  private readonly passMs: number;
  private readonly journal: Journal;
  private due = 0;
  private at = Number.POSITIVE_INFINITY;
  private isBusy = false;

  constructor(disk: Disk, passMs: number, journal: Journal) {
    this.scrub = new LogScrub(disk, logBlockCodec);
    this.passMs = passMs;
    this.journal = journal;
  }

  /** Reads on, if it is time to. `damaged` hears of a file that is, and that the log still has. */
  tick(now: number, log: LogWriter, damaged: (file: number) => void): void {
    if (this.isBusy) return;
    this.due += (log.diskBytes * Math.max(0, now - this.at)) / this.passMs;
    this.at = now;
    if (this.due < STEP_BYTES) return;
    this.due = 0;
    this.isBusy = true;
    this.scrub.step(log.firstFileNumber, log.fileNumber, STEP_BYTES).then(
      (found) => {
        this.isBusy = false;
        if (found.damaged !== undefined && found.damaged >= log.firstFileNumber) damaged(found.damaged);
      },
      // The file has gone meanwhile, or the disk will say so by itself where it is asked for more.
      (error: Error) => {
        this.isBusy = false;
        this.journal.say("info", "log-scrub-cut-short", { reason: error.message });
      },
    );
  }
}
