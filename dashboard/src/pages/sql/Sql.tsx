import { Play, TriangleAlert } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { useSql, useSqlSchema } from "../../api/sql";
import type { SqlQuery, SqlSchema } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { Command } from "../../components/controls/Command";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { PageHead } from "../../components/page/PageHead";
import { Editor, insert } from "./Editor";
import { Result } from "./Result";
import { Views } from "./Views";
import { ADDRESS_MAX, inserted, offsetOf, placeOf, sentence, wordEnd } from "./state";
import { useParams, useView, type View } from "../../scope/scope";
import "./Sql.css";

export default function Sql() {
  const view = useView();
  const schema = useSqlSchema();
  return (
    <>
      <PageHead title="SQL" view={view} />
      {schema.error && !schema.data ? (
        <ErrorNote error={schema.error} retry={() => void schema.refetch()} />
      ) : !schema.data ? (
        <Skeleton height={280} />
      ) : schema.data.enabled ? (
        <Desk view={view} schema={schema.data} />
      ) : (
        <Off />
      )}
    </>
  );
}

function Off() {
  return (
    <Card>
      <EmptyState title="SQL is off on this server">
        <p className="sql-off">
          With SQL on, everyone who may send queries can also send SELECT statements over the stored events.
          Start the server with
        </p>
        <Command text="TALLYSTICK_SQL=true tallystick up" label="the command that allows SQL" />
      </EmptyState>
    </Card>
  );
}

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

function Desk({ view, schema }: { view: View; schema: SqlSchema }) {
  const [params, update] = useParams();
  const area = useRef<HTMLTextAreaElement>(null);
  const addressed = params.get("sql");
  const [text, setText] = useState(addressed ?? schema.examples[0]?.sql ?? "");
  const [running, setRunning] = useState(addressed);
  // Back and forward change the address; then its statement is the one that is shown and run.
  const [seen, setSeen] = useState(addressed);
  if (addressed !== seen) {
    setSeen(addressed);
    if (addressed !== null) setText(addressed);
    setRunning(addressed);
  }
  const ready = view.ready;
  const statement = useMemo<SqlQuery | null>(
    () =>
      running === null || !ready
        ? null
        : { sql: running, ...(view.site === null ? {} : { site_id: view.site }) },
    [running, ready, view.site],
  );
  const { data, error, isFetching, isPlaceholderData, refetch } = useSql(statement);

  const run = (sql: string) => {
    if (sql.trim() === "") return;
    if (sql === running) {
      void refetch();
    } else if (encodeURIComponent(sql).length <= ADDRESS_MAX) {
      update({ sql });
    } else {
      setRunning(sql);
    }
  };
  const put = (word: string) => {
    const at = area.current;
    if (at) insert(at, inserted(text, at.selectionStart, at.selectionEnd, word));
  };
  return (
    <div className="sql-desk">
      <Card className="sql-write">
        <Editor
          {...{ text, area }}
          described="sql-keys"
          invalid={error !== null && text === running}
          onChange={setText}
          onRun={() => run(text)}
        />
        {error && <Mistake message={error.message} sql={running ?? ""} area={area} same={text === running} />}
        <div className="sql-actions">
          <Button kind="primary" disabled={text.trim() === "" || isFetching} onClick={() => run(text)}>
            <Play size={15} aria-hidden /> {isFetching ? "Running…" : "Run"}
          </Button>
          <p className="muted" id="sql-keys">
            <span className="sql-keys">
              <kbd>{MAC ? "⌘" : "Ctrl"}</kbd> <kbd>Enter</kbd> runs it. <kbd>Esc</kbd>, then <kbd>Tab</kbd>{" "}
              leaves the editor.
            </span>
            {encodeURIComponent(text).length > ADDRESS_MAX && " It is too long to be kept in the address."}
          </p>
        </div>
      </Card>
      {data && statement && !error ? (
        <Result key={running} answer={data} {...{ statement }} waiting={isFetching || isPlaceholderData} />
      ) : (
        running !== null &&
        !error && (
          <Card title="Result" className="sql-result">
            <Skeleton lines={4} height={32} />
          </Card>
        )
      )}
      <Views
        schema={schema}
        onInsert={put}
        onExample={(sql) => {
          setText(sql);
          run(sql);
        }}
      />
    </div>
  );
}

/** What the server says against a statement, and the way to where it says that. */
function Mistake({
  message,
  sql,
  area,
  same,
}: {
  message: string;
  sql: string;
  area: { current: HTMLTextAreaElement | null };
  same: boolean;
}) {
  const place = placeOf(message);
  const goThere = () => {
    if (!place || !area.current) return;
    const at = offsetOf(sql, place);
    area.current.focus();
    area.current.setSelectionRange(at, wordEnd(sql, at));
  };
  const note = useRef<HTMLDivElement>(null);
  useEffect(() => {
    note.current?.scrollIntoView({ block: "nearest" });
  }, [message]);
  return (
    <div className="note note-error sql-mistake" role="alert" ref={note}>
      <TriangleAlert size={18} aria-hidden />
      <p>{sentence(message)}</p>
      {place && same && (
        <Button onClick={goThere}>
          Line {place.line}, column {place.column}
        </Button>
      )}
    </div>
  );
}
