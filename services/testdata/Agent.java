import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.Socket;

/**
 * A client that stays, as an agent does: it connects to each HOST PORT that it reads,
 * and says what address it has reached, or why none.
 */
public class Agent {
    private static final int LIMIT = 900; // ms, before a second SYN

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null;) {
            String[] words = line.split(" ");
            System.out.println(line + ": " + connect(words[0], Integer.parseInt(words[1])));
        }
    }

    private static String connect(String host, int port) {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(host, port), LIMIT);
            return socket.getInetAddress().getHostAddress();
        } catch (Exception e) {
            return e.getClass().getSimpleName();
        }
    }
}
