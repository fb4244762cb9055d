import { BoardPage } from "./BoardPage";
import { Lists } from "./Lists";
import { useParams } from "../../scope/scope";

/** All boards, or the one that the address names. */
export default function Boards() {
  const [params] = useParams();
  const id = params.get("board");
  return id === null ? <Lists /> : <BoardPage id={id} key={id} />;
}
