import { FilterBar } from "../../components/page/FilterBar";
import { PageHead } from "../../components/page/PageHead";
import { ZonePicker } from "../../components/page/RangePicker";
import { Site } from "../../components/page/Site";
import { Facts } from "./Facts";
import { Timeline } from "./Timeline";
import { UserList } from "./UserList";
import { useParams, useView } from "../../scope/scope";

export default function Users() {
  const view = useView();
  const [params] = useParams();
  const user = params.get("user") ?? "";
  return (
    <>
      <PageHead title="Users" view={view}>
        <ZonePicker view={view} />
      </PageHead>
      <Site>
        {user === "" ? (
          <>
            <FilterBar view={view} />
            <UserList view={view} />
          </>
        ) : (
          view.ready && (
            <>
              <Facts key={`facts ${user}`} view={view} user={user} />
              <Timeline key={user} view={view} user={user} />
            </>
          )
        )}
      </Site>
    </>
  );
}
