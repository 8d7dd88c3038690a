# One end of a benchmark between hosts: takes in and answers what its peers send, and sends when it is told.
# Goes behind agent-base.pl.
#
# Arguments: this text, role (bench), the run's token (16 hex digits), own address, port (0 for a free one), seconds
# after which it ends by itself.
# Input, a line each; its end ends the program:
#   stream ID ADDRESS PORT STREAMS SECONDS    requests ID ADDRESS PORT SECONDS
#   datagrams ID ADDRESS PORT SECONDS         cpu ID
# Output, each line behind token and role:
#   ready PORT    failed ID ERRNO    cpu ID BUSY/ALL …  (of all processors, then of each; in ticks)    coarse
#   took ID STREAM BYTES MICROSECONDS   (by who was sent to)
#   trips ID MICROSECONDS:COUNT …    rate ID COUNT LOST MICROSECONDS    done ID   (by who sends)
my (undef, $role, $token, $address, $port, $life) = @ARGV;
alarm $life;
my ($size, $chunk, $patience, $wait, $most) = (64, 1 << 17, 3, 0.25, 300);
# $size: bytes of a request; $patience: seconds that something may take to begin or to end;
# $wait: seconds until a datagram is lost; $most: children at once.
my %child;
sub report { syswrite STDOUT, join(' ', $token, $role, @_) . "\n" }

sub at { pack_sockaddr_in($_[1], inet_aton($_[0])) }

sub blocking {
    my ($s, $on) = @_;
    my $flags = fcntl $s, Fcntl::F_GETFL(), 0;
    fcntl $s, Fcntl::F_SETFL(), $on ? $flags & ~Fcntl::O_NONBLOCK() : $flags | Fcntl::O_NONBLOCK();
}

sub until_ready {                                  # whether a socket can be read from, or written to, by then
    my ($s, $to_write, $deadline) = @_;
    my $left = $deadline - now();
    return 0 if $left <= 0;
    vec(my $bits = '', fileno $s, 1) = 1;
    return $to_write ? select(undef, $bits, undef, $left) > 0 : select($bits, undef, undef, $left) > 0;
}

# A child does one thing and ends: by itself, with its alarm, or with this program.
sub child {
    my ($seconds, $do) = @_;
    my $pid = fork // return 0;
    if ($pid) { $child{$pid} = 1; return 1 }
    %child = ();
    $SIG{$_} = 'DEFAULT' for qw(TERM ALRM HUP);
    alarm int($seconds + 2 * $patience + 1);
    close STDIN;
    $do->();
    POSIX::_exit(0);
}

# --- taking in

sub open_both {                                    # one number for TCP and UDP
    for my $try (1 .. 20) {
        socket my $tcp, AF_INET, SOCK_STREAM, 0;
        setsockopt $tcp, SOL_SOCKET, SO_REUSEADDR, 1;
        bind($tcp, at($address, $port)) && listen $tcp, SOMAXCONN or return;
        my ($number) = unpack_sockaddr_in(getsockname $tcp);
        socket my $udp, AF_INET, SOCK_DGRAM, 0;
        return ($tcp, $udp, $number) if bind $udp, at($address, $number);
        return if $port;
    }
    return;
}

sub greeting {                                     # what a peer says first: its token, what it wants, and how
    my ($s, $line) = (shift, '');
    while (length $line < 100 && $line !~ /\n/) {
        sysread($s, $line, 1, length $line) or return;
    }
    return $line =~ /^$token (took|echo) (\d+) (\d+) ([\d.]+)\n/ ? ($1, $2, $3, $4) : ();
}

sub serve {
    my $s = shift;
    alarm $patience;
    my ($what, $id, $stream, $seconds) = greeting($s) or return;
    alarm int($seconds + 2 * $patience + 1);
    return echo($s) if $what eq 'echo';
    my ($bytes, $first, $last) = (0);
    my $end = now() + $patience;                   # of the wait for the first byte, and then of the stream
    while (until_ready($s, 0, $end)) {
        my $got = sysread $s, my $data, $chunk;
        last unless $got;
        $last = now();
        if (defined $first) { $bytes += $got; next }
        $first = $last;                            # what came before the clock ran is not counted
        $end   = $first + $seconds;
    }
    report('took', $id, $stream, $bytes, int(1e6 * (defined $first ? $last - $first : 0)));
}

sub echo {
    my $s = shift;
    setsockopt $s, IPPROTO_TCP, TCP_NODELAY, 1;
    my $data = '';
    while (sysread $s, $data, $size - length $data, length $data) {
        next if length $data < $size;
        syswrite $s, $data or return;
        $data = '';
    }
}

# --- sending

my ($id, %trips, $count, $lost);

sub fail { report('failed', $id, name(shift)); POSIX::_exit(1) }

sub connected {
    my ($where, $hello) = @_;
    socket my $s, AF_INET, SOCK_STREAM, 0;
    blocking($s, 0);
    connect($s, $where) or $!{EINPROGRESS} or fail($! + 0);
    until_ready($s, 1, now() + $patience) or fail(Errno::ETIMEDOUT());
    my $errno = unpack 'i', getsockopt $s, SOL_SOCKET, SO_ERROR;
    fail($errno) if $errno;
    setsockopt $s, IPPROTO_TCP, TCP_NODELAY, 1;
    syswrite $s, "$token $hello\n" or fail($! + 0);
    return $s;
}

sub stream {
    my ($where, $number, $seconds) = @_;
    my $s = connected($where, "took $id $number $seconds");
    my ($data, $end) = ("\0" x $chunk, now() + $seconds + $patience);
    # Until who takes it in has had its time, and hangs up.
    while (until_ready($s, 1, $end)) {
        defined syswrite $s, $data or $!{EAGAIN} or last;
    }
}

sub trip {                                         # three digits are kept: the figure is within one per cent
    my $us = int(1e6 * shift);
    $us = 10**(length($us) - 3) * int($us / 10**(length($us) - 3)) if $us >= 1000;
    $trips{$us}++;
    $count++;
}

sub tell_trips {
    my $seconds = shift;
    my @all = map { "$_:$trips{$_}" } sort { $a <=> $b } keys %trips;
    report('trips', $id, splice @all, 0, 50) while @all;
    report('rate', $id, $count, $lost, int(1e6 * $seconds));
}

sub requests {
    my ($where, $seconds) = @_;
    my $s = connected($where, "echo $id 0 $seconds");
    blocking($s, 1);
    local $SIG{ALRM} = sub { fail(Errno::ETIMEDOUT()) };
    my $request = 'x' x $size;
    my $start = my $before = now();
    while ($before - $start < $seconds) {
        my $answer = '';
        syswrite $s, $request or fail($! + 0);
        while (length $answer < $size) {
            my $got = sysread $s, $answer, $size - length $answer, length $answer;
            fail(defined $got ? Errno::ECONNRESET() : $! + 0) unless $got;
        }
        my $after = now();
        trip($after - $before);
        $before = $after;
    }
    tell_trips($before - $start);
}

sub datagrams {
    my ($where, $seconds) = @_;
    socket my $s, AF_INET, SOCK_DGRAM, 0;
    connect $s, $where or fail($! + 0);
    my ($start, $number) = (now(), 0);
    my $end = $start + $seconds;
    while ((my $before = now()) < $end) {
        my $said = sprintf '%-*s', $size, "$token " . ++$number;
        defined send $s, $said, 0 or fail($! + 0);
        my $until = $before + $wait;
        while (1) {
            $lost++, last unless until_ready($s, 0, $until);
            defined recv $s, my $answer, 2048, 0 or fail($! + 0);
            # The answer to one that was given up comes late.
            trip(now() - $before), last if $answer eq $said;
        }
    }
    fail(Errno::ETIMEDOUT()) unless $count;
    tell_trips(now() - $start);
}

# --- what it is told

sub cpu {
    open my $file, '<', '/proc/stat' or return;
    my @all;
    while (<$file>) {
        my ($what, @ticks) = split ' ';
        last unless $what =~ /^cpu/;
        my $sum = 0;
        $sum += $_ for @ticks[ 0 .. 7 ];           # the guests' time is in the users'
        push @all, ($sum - $ticks[3] - $ticks[4]) . "/$sum";
    }
    report('cpu', $_[0], @all);
}

sub told {
    my ($what, @rest) = split ' ', $_[0];
    return cpu(@rest) if $what eq 'cpu';
    my ($where, $seconds);
    ($id, $where, $seconds) = ($rest[0], at(@rest[ 1, 2 ]), $rest[-1]);
    (%trips, $count, $lost) = ();
    $count = $lost = 0;
    my @do = $what eq 'stream' ? map { my $n = $_; sub { stream($where, $n, $seconds) } } 0 .. $rest[3] - 1
        : $what eq 'requests'  ? sub { requests($where, $seconds) }
        :                        sub { datagrams($where, $seconds) };
    # Its end tells that all children have ended, of whatever.
    pipe(my $ended, my $alive);
    for my $do (@do) {
        child($seconds, $do) or report('failed', $id, name($! + 0));
    }
    close $alive;
    my $its = $id;
    my $n = fileno $ended;
    $read{$n} = sub { delete $read{$n}; close $ended; report('done', $its) };
}

$SIG{PIPE} = 'IGNORE';
sub leave { kill 'KILL', keys %child; exit }
$SIG{TERM} = $SIG{ALRM} = $SIG{HUP} = \&leave;

my ($tcp, $udp, $number) = open_both();
unless ($tcp) { report('failed', 0, name($! + 0)); exit }
blocking($_, 0) for $tcp, $udp;
$read{ fileno $tcp } = sub {
    while (accept my $s, $tcp) {
        next if keys %child > $most;
        blocking($s, 1);
        child($patience, sub { close $_ for $tcp, $udp; serve($s) });
    }
};
$read{ fileno $udp } = sub {
    while (defined(my $from = recv $udp, my $data, 2048, 0)) {
        send $udp, $data, 0, $from if $data =~ /^$token \d+ *$/ and length $data <= $size;
    }
};
my $input = '';
$read{ fileno STDIN } = sub {
    sysread STDIN, $input, 65536, length $input or leave();
    told($1) while $input =~ s/^([^\n]+)\n//;
};
report('coarse') if $coarse;
report('ready', $number);

while (1) {
    my $in = '';
    vec($in, $_, 1) = 1 for keys %read;
    if (select($in, undef, undef, 1) > 0) {
        for (keys %read) { $read{$_}->() if vec($in, $_, 1) and $read{$_} }
    }
    while ((my $gone = waitpid -1, POSIX::WNOHANG()) > 0) { delete $child{$gone} }
}
